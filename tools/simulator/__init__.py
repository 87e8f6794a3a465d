"""People who ring the service, telephones for them, and stand-ins for partners."""
