"""What every stage stands on: an edit here reruns everything, but for `console`, which computes nothing."""
