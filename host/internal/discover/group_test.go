package discover

import "testing"

func TestAGroupOfOnesOwnIsNobodyElse(t *testing.T) {
	const passwd = "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/:/bin/sh\nbob:x:1001:1001::/:/bin/sh\nbad line\n" +
		"carl:x:1002:100::/:/bin/sh\n"
	const group = "root:x:0:\nann:x:1000:\nbob:x:1001:ann\nusers:x:100:\nwheel:x:10:root,ann\nstaff:x:50:ann,bob\n"
	for name, row := range map[string]struct {
		gid, uid int
		want     bool
	}{
		"a user's private group":                    {1000, 1000, true},
		"with root beside the user":                 {10, 1000, true},
		"another's private group":                   {1001, 1000, false},
		"a group that somebody else is in":          {50, 1000, false},
		"a group that is another's by passwd":       {100, 1000, false},
		"a group that nobody knows":                 {4711, 1000, false},
		"the group of root, for root":               {0, 0, true},
		"a private group seen by another's process": {1000, 1001, false},
	} {
		if got := onlyMember([]byte(passwd), []byte(group), row.gid, row.uid); got != row.want {
			t.Errorf("%s: onlyMember() = %t, want %t", name, got, row.want)
		}
	}
}
