"""`broadcaster doctor`: whether a deployment works from here, and if not, why.

`examination` asks everything in order; the modules beside it are one for each thing that is looked at. Each returns
findings (`finding`), and changes nothing.
"""
