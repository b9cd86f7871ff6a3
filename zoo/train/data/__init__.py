"""Training images: from memory or files, and how they are changed."""
