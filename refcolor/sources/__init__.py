"""Sources of pictures: listing, fetching and the network. Every source gives `Record`s."""
