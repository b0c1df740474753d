"""What the stages `weights` and `upscale` share: an edit here reruns both."""
