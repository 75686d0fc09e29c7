package call

import "context"

// authorize asks whether the client may call the tool.
func (r *Router) authorize(inner next) next {
	return func(ctx context.Context, c *passage) error {
		if err := r.cfg.Authorize(ctx, c.req.Client, c.req.Tool); err != nil {
			return err
		}
		return inner(ctx, c)
	}
}
