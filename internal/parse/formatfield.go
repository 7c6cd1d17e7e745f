package parse

// formatField is what a variable holds.
type formatField uint8

const (
	fieldText        formatField = iota // fixed text
	fieldSkip                           // of no interest, any text
	fieldIdent                          // of no interest, the client's own word, without spaces
	fieldWord                           // of no interest, without spaces
	fieldAddr                           // the client's address, or what a module made of it
	fieldPeer                           // the peer of the connection
	fieldPort                           //
	fieldUser                           //
	fieldStamp                          // 02/Jan/2006:15:04:05 -0700
	fieldISO                            // ISO 8601
	fieldEpoch                          // seconds since 1970, with a fraction
	fieldMillisEpoch                    // milliseconds since 1970
	fieldRequest                        //
	fieldMethod                         //
	fieldTarget                         //
	fieldPath                           //
	fieldQuery                          //
	fieldProto                          //
	fieldStatus                         //
	fieldBytes                          //
	fieldReferer                        //
	fieldAgent                          //
	fieldForwarded                      //
	fieldHost                           // the header, any text
	fieldVhost                          // the host asked for, without spaces
	fieldServer                         // the name of the virtual server
	fieldURL                            // host and target with nothing between them
	fieldSeconds                        // time taken
	fieldMillis                         //
	fieldMicros                         //
	numFields
)

// short reports whether a field holds no spaces and is the server's own.
func (k formatField) short() bool {
	switch k {
	case fieldWord, fieldAddr, fieldPeer, fieldPort, fieldStamp, fieldISO, fieldStatus, fieldBytes,
		fieldEpoch, fieldMillisEpoch, fieldServer, fieldSeconds, fieldMillis, fieldMicros:
		return true
	}
	return false
}

// word reports whether a field holds no spaces, but any other separator: clients
// write it.
func (k formatField) word() bool {
	return k == fieldVhost || k == fieldMethod || k == fieldProto || k == fieldIdent
}

// fits reports whether a text has the form of a field. What servers write must
// fit without exception: a true reading that is refused leaves a forged one
// alone.
func (k formatField) fits(s string) bool {
	switch k {
	case fieldPort, fieldStatus, fieldBytes, fieldEpoch, fieldMillisEpoch, fieldSeconds, fieldMillis, fieldMicros:
		return numeric(s)
	case fieldISO:
		return len(s) >= 19 && s[4] == '-' && s[7] == '-' && s[10] == 'T' && s[13] == ':' && s[16] == ':'
	case fieldStamp:
		return s[2] == '/' && s[6] == '/' && s[11] == ':' && s[14] == ':' && s[17] == ':' && s[20] == ' '
	}
	return true
}

// numeric reports whether a text is a number, "-" or nothing.
func numeric(s string) bool {
	if s != "" && s[0] == '-' { // also of clocks that were set back
		s = s[1:]
	}
	point := false
	for i := 0; i < len(s); i++ {
		if s[i]-'0' > 9 {
			if s[i] != '.' || point || i == 0 {
				return false
			}
			point = true
		}
	}
	return true
}
