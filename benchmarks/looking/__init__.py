"""What a served bundle looks at, asked through HTTP, and the page of results about it."""
