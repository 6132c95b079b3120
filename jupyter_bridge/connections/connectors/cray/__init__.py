"""The console connector: Cray-style console services."""
