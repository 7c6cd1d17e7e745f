package parse

import (
	"fmt"
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// ParseType reads the name of a source type in any case, or the name of a
// program whose logs are of that type ("postfix" is mail). The error lists the
// types.
func ParseType(name string) (sentinel.SourceType, error) {
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "auto", "lighttpd", "haproxy", "traefik", "caddy", "web", "http":
		return sentinel.TypeAuto, nil
	case "ssh", "sshd", "openssh", "dropbear":
		return sentinel.TypeSSH, nil
	case "nginx":
		return sentinel.TypeNginx, nil
	case "apache", "apache2", "httpd":
		return sentinel.TypeApache, nil
	case "syslog", "system", "auth", "authlog", "secure", "messages", "fail2ban", "pam", "sudo":
		return sentinel.TypeSyslog, nil
	case "kernel", "kern", "dmesg":
		return sentinel.TypeKernel, nil
	case "firewall", "ufw", "iptables", "nftables":
		return sentinel.TypeFirewall, nil
	case "audit", "auditd":
		return sentinel.TypeAudit, nil
	case "mail", "postfix", "dovecot", "exim", "sendmail", "courier", "cyrus":
		return sentinel.TypeMail, nil
	case "ftp", "vsftpd", "proftpd", "pure-ftpd":
		return sentinel.TypeFTP, nil
	case "dns", "named", "bind":
		return sentinel.TypeDNS, nil
	case "db", "database", "mysql", "mariadb", "postgres", "postgresql", "mongodb":
		return sentinel.TypeDB, nil
	case "json":
		return sentinel.TypeJSON, nil
	case "app":
		return sentinel.TypeApp, nil
	}
	return "", fmt.Errorf("source type %q is none of auto, ssh, nginx, apache, syslog, kernel, firewall, audit, mail, ftp, dns, db, json, app", name)
}
