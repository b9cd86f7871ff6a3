"""Our own files on disk, and files that come from elsewhere."""
