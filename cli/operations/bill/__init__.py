"""Bills of materials: what is in an image (`inventory`), and how SPDX has it (`document`)."""
