"""Commands of the command line, one file each; ``nbanalytics.cli`` registers them."""
