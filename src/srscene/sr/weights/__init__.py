"""Where weights come from: an edit here reruns the stage `weights`, and `upscale` only if bytes changed."""
