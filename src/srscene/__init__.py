"""Does super-resolving satellite patches before classification help? A reproducible answer."""
