"""What training minimises: the inner attack, the losses, weight perturbation."""
