package auth

import "context"

// LocalUser is who asks from within the process, or by the token in its data folder.
const LocalUser = "local"

type identityKey struct{}

// With says in a context who asks.
func With(ctx context.Context, who Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, who)
}

// From returns who asks.
func From(ctx context.Context) (Identity, bool) {
	who, ok := ctx.Value(identityKey{}).(Identity)
	return who, ok
}
