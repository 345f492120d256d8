"""Stand in for `@connections`: the signed API through which a backend posts to a connection."""
