"""DICOMweb: films in by STOW-RS into a durable spool, analysed in turn, results back to the PACS."""
