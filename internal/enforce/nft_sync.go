package enforce

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// sync sends what differs: first who must never be dropped, then what is to be
// opened, then what is to be dropped.
func (n *NFT) sync(ctx context.Context, rep *Report) error {
	for _, set := range rangeSets {
		if err := n.syncRanges(ctx, set, rep); err != nil {
			return err
		}
	}
	for _, set := range []setKind{block4, block6} {
		if err := n.syncHash(ctx, set, rep); err != nil {
			return err
		}
	}
	return nil
}

func (n *NFT) syncHash(ctx context.Context, set setKind, rep *Report) error {
	keys := n.dirty[set]
	if len(keys) == 0 {
		return nil
	}
	now := time.Now().UnixMilli()
	var gone, rest []hashKey
	for _, k := range keys {
		if at(n.hash[set][k].want, now) == 0 {
			gone = append(gone, k)
		} else {
			rest = append(rest, k)
		}
	}
	full := false
	for _, part := range [][]hashKey{gone, rest} {
		for len(part) > 0 {
			chunk := part[:min(len(part), MaxChunk)]
			part = part[len(chunk):]
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := n.bisect(set, chunk, &full, rep); err != nil {
				return err
			}
		}
	}
	n.dirty[set] = n.dirty[set][:0]
	return nil
}

// bisect sends keys in one transaction. If the kernel refuses it because of an
// element, halves are tried, so that all but the bad ones are applied. Once the
// set is full, nothing more is added to it.
func (n *NFT) bisect(set setKind, keys []hashKey, full *bool, rep *Report) error {
	if *full {
		rep.reject(keys[0].prefix(set), len(keys), unix.ENFILE)
		return nil
	}
	err := n.sendKeys(set, keys)
	if err == nil {
		rep.Changed += len(keys)
		return nil
	}
	if !elementError(err) {
		return err
	}
	if len(keys) == 1 {
		*full = errors.Is(err, unix.ENFILE)
		rep.reject(keys[0].prefix(set), 1, err)
		return nil
	}
	half := len(keys) / 2
	if err := n.bisect(set, keys[:half], full, rep); err != nil {
		return err
	}
	return n.bisect(set, keys[half:], full, rep)
}

// elementError reports whether an error may be due to one element of a batch.
func elementError(err error) bool {
	for _, e := range []unix.Errno{
		unix.ENFILE, unix.ENOBUFS, unix.EMSGSIZE, unix.EINVAL, unix.EEXIST, unix.ENOTEMPTY, unix.EBUSY, unix.ERANGE, unix.EOVERFLOW,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// sendKeys brings some elements of a hash set to what is wanted, atomically. An
// element that has or may have been there is added as it is, which does nothing
// if it is there, then deleted, then added with its new time: no kernel refuses
// that, whether the element has ended in the meantime or not, and kernels before
// 6.12 would not take a new time for an element that exists.
func (n *NFT) sendKeys(set setKind, keys []hashKey) error {
	now := time.Now().UnixMilli()
	m := n.hash[set]
	var old, add []element
	for _, k := range keys {
		e := m[k]
		if e.have != 0 {
			old = append(old, element{key: k.bytes(set)})
		}
		if e.want != 0 {
			if left, ok := rest(e.want, now); ok {
				add = append(add, element{key: k.bytes(set), timeout: left})
			}
		}
	}
	if n.refuse != nil {
		if err := n.refuse(set, keys); err != nil {
			return err
		}
	}
	if len(old)+len(add) > 0 {
		b := n.conn.batch()
		b.elements(unix.NFT_MSG_NEWSETELEM, set, old)
		b.elements(unix.NFT_MSG_DELSETELEM, set, old)
		b.elements(unix.NFT_MSG_NEWSETELEM, set, add)
		if err := n.conn.commit(b); err != nil {
			return err
		}
	}
	for _, k := range keys {
		e := m[k]
		e.have = e.want
		n.put(set, k, e)
	}
	return nil
}
