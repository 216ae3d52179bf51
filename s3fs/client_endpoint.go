package s3fs

import (
	"context"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyauth "github.com/aws/smithy-go/auth"
	smithyendpoints "github.com/aws/smithy-go/endpoints"
)

// An endpointCache resolves endpoints as the SDK does, and caches the results. The SDK resolves the endpoint twice for each
// request, on a stack frame of 9 KiB, which makes the runtime grow and copy the stack of each new goroutine.
type endpointCache struct {
	resolver  s3.EndpointResolverV2
	mu        sync.Mutex
	endpoints map[endpointKey]smithyendpoints.Endpoint
}

func newEndpointCache() *endpointCache {
	return &endpointCache{resolver: s3.NewDefaultEndpointResolverV2(), endpoints: make(map[endpointKey]smithyendpoints.Endpoint)}
}

// maxEndpoints limits the cache. When it is full, it is emptied.
const maxEndpoints = 1000

// An endpointKey has all parameters on which an endpoint depends. It depends on none of the names of objects.
type endpointKey struct {
	bucket, region, endpoint string
	flags                    [11]int8 // 0 = unset, 1 = true, -1 = false
}

func keyOf(p s3.EndpointParameters) endpointKey {
	k := endpointKey{bucket: aws.ToString(p.Bucket), region: aws.ToString(p.Region), endpoint: aws.ToString(p.Endpoint)}
	for i, flag := range []*bool{
		p.UseFIPS, p.UseDualStack, p.ForcePathStyle, p.Accelerate, p.UseGlobalEndpoint, p.UseObjectLambdaEndpoint, p.DisableAccessPoints,
		p.DisableMultiRegionAccessPoints, p.UseArnRegion, p.UseS3ExpressControlEndpoint, p.DisableS3ExpressSessionAuth,
	} {
		switch {
		case flag == nil:
		case *flag:
			k.flags[i] = 1
		default:
			k.flags[i] = -1
		}
	}
	return k
}

// ResolveEndpoint implements s3.EndpointResolverV2.
func (c *endpointCache) ResolveEndpoint(ctx context.Context, p s3.EndpointParameters) (smithyendpoints.Endpoint, error) {
	key := keyOf(p)
	c.mu.Lock()
	e, ok := c.endpoints[key]
	c.mu.Unlock()
	if ok {
		return cloneEndpoint(e), nil
	}
	e, err := c.resolver.ResolveEndpoint(ctx, p)
	if err != nil {
		return e, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.endpoints) >= maxEndpoints {
		clear(c.endpoints)
	}
	c.endpoints[key] = cloneEndpoint(e)
	return e, nil
}

// cloneEndpoint returns a copy of e that the SDK may change. It changes the options of the authentication.
func cloneEndpoint(e smithyendpoints.Endpoint) smithyendpoints.Endpoint {
	properties := e.Properties.Values()
	e.Headers, e.Properties = e.Headers.Clone(), smithy.Properties{}
	for key, value := range properties {
		if options, ok := value.([]*smithyauth.Option); ok {
			value = cloneAuthOptions(options)
		}
		e.Properties.Set(key, value)
	}
	return e
}

func cloneAuthOptions(options []*smithyauth.Option) []*smithyauth.Option {
	clones := make([]*smithyauth.Option, len(options))
	for i, o := range options {
		clones[i] = &smithyauth.Option{SchemeID: o.SchemeID}
		clones[i].IdentityProperties.SetAll(&o.IdentityProperties)
		clones[i].SignerProperties.SetAll(&o.SignerProperties)
	}
	return clones
}
