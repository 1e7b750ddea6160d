package redisconn

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// parameters returns what may stand behind the "?" of a scheme.
func (t *Target) parameters(scheme string) map[string]*string {
	if t.Mode == ModeEmbedded {
		return nil
	}
	known := map[string]*string{"password_file": &t.PasswordFile}
	if scheme == "unix" || t.Mode == ModeSentinel {
		known["db"] = nil // a number, not a text
	}
	if t.TLS {
		known["tls_ca"] = &t.TLSCA
		known["tls_cert"] = &t.TLSCert
		known["tls_key"] = &t.TLSKey
		known["tls_server_name"] = &t.TLSServerName
	}
	if t.Mode == ModeSentinel {
		known["sentinel_username"] = &t.SentinelUsername
		known["sentinel_password"] = &t.SentinelPassword
		known["sentinel_password_file"] = &t.SentinelPasswordFile
	}
	return known
}

func (t *Target) parseParameters(query, scheme string) error {
	known := t.parameters(scheme)
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		name, escaped, _ := strings.Cut(pair, "=")
		field, ok := known[name]
		if !ok {
			return unknownParameter(name, scheme, known)
		}
		if seen[name] {
			return fmt.Errorf("parameter %q stands there twice", name)
		}
		seen[name] = true
		value, err := url.QueryUnescape(escaped)
		switch {
		case err != nil:
			return fmt.Errorf(`parameter %q holds a "%%" that begins no percent-encoded byte`, name)
		case value == "":
			return fmt.Errorf("parameter %q has no value", name)
		case name == "db":
			if err := t.parseDB(value); err != nil {
				return err
			}
		default:
			*field = value
		}
	}
	return nil
}

func unknownParameter(name, scheme string, known map[string]*string) error {
	if len(known) == 0 {
		return fmt.Errorf("parameter %q: %s:// takes no parameters", name, scheme)
	}
	return fmt.Errorf("parameter %q is unknown; %s:// takes %s", name, scheme, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
}

// checkTogether checks what no part of the URL can say alone.
func (t *Target) checkTogether() error {
	var errs []error
	if t.Password != "" && t.PasswordFile != "" {
		errs = append(errs, errors.New("it has both a password and password_file"))
	}
	if t.SentinelPassword != "" && t.SentinelPasswordFile != "" {
		errs = append(errs, errors.New("it has both sentinel_password and sentinel_password_file"))
	}
	if (t.TLSCert == "") != (t.TLSKey == "") {
		errs = append(errs, errors.New("tls_cert and tls_key go together, but it has one of them only"))
	}
	if t.Username != "" && t.Password == "" && t.PasswordFile == "" {
		errs = append(errs, errors.New("it has a user but no password; a user without one (nopass) takes any, such as redis://user:x@host"))
	}
	return errors.Join(errs...)
}
