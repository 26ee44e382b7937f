"""Files of rows: read into the shape of requests, and written for exports and templates."""
