"""One file per section of a page: from what was read to what the template shows, in sentences, tables and charts."""
