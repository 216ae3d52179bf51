package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// The part of SFTPGo's backup (Maintenance, Backup, or `dumpdata` of its API) that is imported. Numbers are those of its API.

type sftpgoDump struct {
	Users   []sftpgoUser   `json:"users"`
	Groups  []sftpgoGroup  `json:"groups"`
	Folders []sftpgoFolder `json:"folders"`
}

type sftpgoUser struct {
	Username       string              `json:"username"`
	Status         *int                `json:"status"` // 1 = enabled
	Description    string              `json:"description"`
	ExpirationDate int64               `json:"expiration_date"` // ms; 0 = never
	CreatedAt      int64               `json:"created_at"`      // ms
	Password       string              `json:"password"`
	PublicKeys     []string            `json:"public_keys"`
	HomeDir        string              `json:"home_dir"`
	MaxSessions    int                 `json:"max_sessions"`
	Permissions    map[string][]string `json:"permissions"` // by directory
	Filters        sftpgoFilters       `json:"filters"`
	Folders        []sftpgoFolder      `json:"virtual_folders"`
	Filesystem     sftpgoFilesystem    `json:"filesystem"`
	Groups         []struct {
		Name string `json:"name"`
		Type int    `json:"type"` // 1 = primary, 2 = secondary, 3 = membership only
	} `json:"groups"`
	sftpgoLimits
}

// sftpgoLimits are limits of what users store and transfer.
type sftpgoLimits struct {
	QuotaSize         int64 `json:"quota_size"`           // bytes
	QuotaFiles        int64 `json:"quota_files"`          //
	UploadBandwidth   int64 `json:"upload_bandwidth"`     // KiB/s
	DownloadBandwidth int64 `json:"download_bandwidth"`   // KiB/s
	UploadTransfer    int64 `json:"upload_data_transfer"` // MB
	DownloadTransfer  int64 `json:"download_data_transfer"`
	TotalTransfer     int64 `json:"total_data_transfer"`
}

type sftpgoFilters struct {
	AllowedIP          []string          `json:"allowed_ip"`
	DeniedIP           []string          `json:"denied_ip"`
	DeniedLoginMethods []string          `json:"denied_login_methods"`
	DeniedProtocols    []string          `json:"denied_protocols"`
	FilePatterns       []json.RawMessage `json:"file_patterns"`
	MaxUploadFileSize  int64             `json:"max_upload_file_size"`
	TLSUsername        string            `json:"tls_username"`
	TLSCerts           []string          `json:"tls_certs"`
	StartDirectory     string            `json:"start_directory"`
	TwoFactor          []string          `json:"two_factor_protocols"`
	OldTwoFactor       []string          `json:"2fa_protocols"`
	FTPSecurity        int               `json:"ftp_security"` // 1 = TLS is required
	IsAnonymous        bool              `json:"is_anonymous"`
	AccessTime         []json.RawMessage `json:"access_time"`
	BandwidthLimits    []json.RawMessage `json:"bandwidth_limits"`
	PasswordExpiration int               `json:"password_expiration"`
	TOTP               struct {
		Enabled   bool     `json:"enabled"`
		Protocols []string `json:"protocols"`
	} `json:"totp_config"`
}

type sftpgoFilesystem struct {
	Provider int `json:"provider"`
	S3       struct {
		Bucket       string `json:"bucket"`
		KeyPrefix    string `json:"key_prefix"`
		Region       string `json:"region"`
		AccessKey    string `json:"access_key"`
		AccessSecret struct {
			Status  string `json:"status"`
			Payload string `json:"payload"`
		} `json:"access_secret"`
		SSEKey struct {
			Payload string `json:"payload"`
		} `json:"sse_customer_key"`
		RoleARN       string `json:"role_arn"`
		SessionToken  string `json:"session_token"`
		Endpoint      string `json:"endpoint"`
		StorageClass  string `json:"storage_class"`
		ACL           string `json:"acl"`
		SkipTLSVerify bool   `json:"skip_tls_verify"`
	} `json:"s3config"`
}

// sftpgoS3 is the provider of file systems in S3.
const sftpgoS3 = 1

// sftpgoProviders are the providers of file systems.
var sftpgoProviders = []string{"a local directory", "S3", "Google Cloud Storage", "Azure Blob Storage",
	"an encrypted directory", "an SFTP server", "an HTTP server"}

func (f *sftpgoFilesystem) text() string {
	if f.Provider < 0 || f.Provider >= len(sftpgoProviders) {
		return fmt.Sprintf("a file system of kind %d", f.Provider)
	}
	return sftpgoProviders[f.Provider]
}

type sftpgoFolder struct {
	Name        string           `json:"name"`
	VirtualPath string           `json:"virtual_path"`
	Subpath     string           `json:"subpath"`
	QuotaSize   int64            `json:"quota_size"` // bytes; -1 = the folder counts towards the quota of the user
	Filesystem  sftpgoFilesystem `json:"filesystem"`
}

type sftpgoGroup struct {
	Name     string         `json:"name"`
	Folders  []sftpgoFolder `json:"virtual_folders"`
	Settings struct {
		HomeDir     string              `json:"home_dir"`
		MaxSessions int                 `json:"max_sessions"`
		Permissions map[string][]string `json:"permissions"`
		ExpiresIn   int                 `json:"expires_in"` // days after the user was made
		Filters     sftpgoFilters       `json:"filters"`
		Filesystem  sftpgoFilesystem    `json:"filesystem"`
		sftpgoLimits
	} `json:"user_settings"`
}

// readSFTPGo reads a backup of SFTPGo, or a list of its users.
func readSFTPGo(text []byte) ([]imported, error) {
	var dump sftpgoDump
	err := error(nil)
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("[")) {
		err = json.Unmarshal(text, &dump.Users)
	} else {
		err = json.Unmarshal(text, &dump)
	}
	if e := (*json.SyntaxError)(nil); errors.As(err, &e) {
		return nil, fmt.Errorf("is not JSON at byte %d: must be a backup of SFTPGo, as its dumpdata writes it", e.Offset)
	}
	if e := (*json.UnmarshalTypeError)(nil); errors.As(err, &e) {
		return nil, fmt.Errorf("%s at byte %d must not be a %s in a backup of SFTPGo", e.Field, e.Offset, e.Value[:min(6, len(e.Value))])
	}
	switch {
	case err != nil:
		return nil, errors.New("must be a backup of SFTPGo, as its dumpdata writes it")
	case dump.Users == nil:
		return nil, errors.New("has no users: must be a backup of SFTPGo, as its dumpdata writes it")
	}
	all := make([]imported, 0, len(dump.Users))
	for i := range dump.Users {
		all = append(all, dump.convert(&dump.Users[i]))
	}
	return all, nil
}
