"""CIFAR-10: the exact pictures, and copies that are another data set."""
