"""The commands of the command line; ``nbanalytics.cli`` registers them."""
