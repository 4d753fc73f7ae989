"""What sites share: files by digest and signed results, pulled before fetching and building."""
