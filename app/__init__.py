"""The satisfaction service of a province."""
