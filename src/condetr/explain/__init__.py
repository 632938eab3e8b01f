"""What each attention head looked at: the paper's figure 1, for any image."""
