"""openBIS as bytes: JSON-RPC, and the data store's fast download."""
