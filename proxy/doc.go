// Package proxy speaks the File Transfer Protocol to clients and keeps their files in a [Store].
package proxy
