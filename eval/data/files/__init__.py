"""Pictures in files, whatever they lie in: folders, archives, shards, parquet."""
