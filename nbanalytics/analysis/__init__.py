"""What researchers ask of records: cohorts, flows, drop points, progression, indicators and the baseline."""
