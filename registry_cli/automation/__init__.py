"""What happens by itself: checks of a policy, trust in them, hooks after a change."""
