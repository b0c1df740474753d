"""How a stage runs: console, files, parameters, key, parts, device. In no key: it computes no output."""
