"""What a fit decides by measuring it on the machine at hand."""
