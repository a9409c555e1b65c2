"""Published data sets as they are downloaded: a folder -> records, one file for each set."""
