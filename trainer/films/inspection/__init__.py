"""What is odd about single files: names that no record can hold, unused bits, black films; it changes nothing."""
