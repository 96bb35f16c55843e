"""Running: launching mmdet's own scripts, distributed set-up."""
