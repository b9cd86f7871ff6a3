"""The file format of a TensorFlow checkpoint, read without TensorFlow."""
