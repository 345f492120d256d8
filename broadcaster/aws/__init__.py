"""What is the same for every AWS service: credentials, and the domains of its partitions."""
