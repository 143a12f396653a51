module pet/peers

go 1.24
