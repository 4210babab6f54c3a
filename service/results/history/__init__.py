"""Objects about results that were issued before: whose they are, what replaces them, and a study's summary."""
