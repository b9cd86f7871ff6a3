"""What shows that an import is right: files and answers as others found them, pictures."""
