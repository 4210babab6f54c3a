"""What a challenger costs urgent films."""
