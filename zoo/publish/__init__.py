"""Publishing a model on the Hugging Face Hub: its files, its page, one commit, a pin."""
