module nearkv.dev/tests/node/pause

go 1.26.8
