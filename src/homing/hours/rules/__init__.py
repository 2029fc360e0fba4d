"""What Business Hours are and how they are counted: pure, with every instant as an argument."""
