"""The cache on local disk: blobs by digest, git sources, the records of imported files."""
