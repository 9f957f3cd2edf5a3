// Package webui is without the dashboard, whose files are no part of the module (sandbox/setup/go_tools.py).
package webui

import (
	"embed"
	"io/fs"
)

// FS is empty.
var FS fs.FS = embed.FS{}
