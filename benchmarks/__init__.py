"""What DESIGN.md section 11 wants measured, each figure a ratio against something measured in the same run."""
